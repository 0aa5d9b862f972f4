"""Verify any server that speaks this API: a black box over HTTP, a report of findings.

A *campaign* of steps sends probes and collects evidence; *checks* judge the evidence afterwards. So one
create serves many checks, a plan can be printed before anything is sent, and a recording can be judged
again with no network.
"""
