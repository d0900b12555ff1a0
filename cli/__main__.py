"""``python -m cli`` is ``freeda``."""

from cli.main import main

if __name__ == "__main__":
    main()
