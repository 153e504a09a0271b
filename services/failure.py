"""What an operator is told instead of a traceback."""


class Failure(Exception):
    """
    Something an operator can put right: what is the case, and what to do about it.

    `vito` prints both and exits with a code other than 0.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} Remedy: {self.remedy}"
