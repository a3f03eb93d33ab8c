"""The commands of `fixhead`, one module each: parse the options, call the library, print the result."""
