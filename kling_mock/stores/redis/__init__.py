"""A store in Redis or Valkey, which several processes and machines share.

`commands` are the two scripts and their arguments for each read and commit, `replies` their results; neither
does I/O. `store` and `async_store` execute them. All keys of a namespace carry one hash tag, so that they are
on one node of a cluster.
"""
