"""The console script ``bal``, which is ``python -m bal`` too."""

import sys

import bal


def main() -> None:
    """Print the version, or run a command of :mod:`bal.studies`."""
    if sys.argv[1:] == ["--version"]:
        print(f"bal {bal.__version__}")
        return
    try:
        from bal.studies import console
    except ModuleNotFoundError as error:
        sys.exit(f"error: the command line needs the package {error.name}: pip install 'bal-jax[studies]'")
    console.main()


if __name__ == "__main__":
    main()
