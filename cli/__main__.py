"""`python -m fixhead_cli`: the same as `fixhead`."""
from fixhead_cli.main import main

if __name__ == "__main__":
    main()
