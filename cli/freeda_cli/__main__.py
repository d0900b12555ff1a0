"""``python -m freeda_cli`` is ``freeda``."""

from freeda_cli.main import main

if __name__ == "__main__":
    main()
