"""The commands. Each module is one group; vendor SDKs are imported inside commands, never at the top."""
