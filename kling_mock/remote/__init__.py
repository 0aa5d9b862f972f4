"""A client of the control API with the vocabulary of `Fake`: `kling_mock.Remote`."""
