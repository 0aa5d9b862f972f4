"""The commands of `kling-contracts`, a module each: `add` declares it; the rest is loaded when it runs."""
