"""`python -m simxfer` is the command, where its script is not on the path."""

from simxfer.cli.main import main

if __name__ == "__main__":
    main()
