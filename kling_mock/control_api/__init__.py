"""The control API under `/_mock/`: a table of endpoints, each a function of a fake and typed parameters.

Routing, validation of parameters, the OpenAPI document and its page are derived from the table in
`endpoints`. No handler knows HTTP, so the client `kling_mock.Remote` uses the same models.
"""
