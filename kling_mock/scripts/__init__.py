"""Scripts: the methods with which tests write the outcomes of requests, and the rules that they make."""
