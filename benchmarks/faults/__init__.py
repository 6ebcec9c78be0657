"""The planted-fault suite: known damage done to real models, and which gate of an evaluation sees it."""
