"""The commands of `kling-contracts`, a module each: `add` declares one, and what it loads is loaded when it runs."""
