"""What can go wrong with the services that tests need; it knows no service by name."""


class ServiceError(Exception):
    """A service could not be fetched, started, reached or stopped; the message says which, and what to do."""


class MissingProgram(ServiceError):  # noqa: N818 - it names the state of the machine, as pytest.skip's reason
    """Raised when a program that a service is made with is not on this machine.

    Attributes:
        program: the name that was looked for.
        package: the Debian package that brings it.
    """

    def __init__(self, program: str, package: str, note: str = "") -> None:
        self.program = program
        self.package = package
        hint = f"install it (Debian and Ubuntu: apt-get install {package})"
        super().__init__(f"{program} is not on this machine: {hint}{'; ' + note if note else ''}")
