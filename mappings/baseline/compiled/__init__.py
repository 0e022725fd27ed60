"""The online engine as compiled loops: each module mirrors the one of its name, a few microseconds a value. Needs the extra `populations`."""
