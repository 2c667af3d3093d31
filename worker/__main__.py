"""`python -m worker` is the same command line as `refunds`."""

from worker.cli.main import run

if __name__ == "__main__":
    run()
