"""Why a start is refused, in one line a newcomer can act on."""


class Refusal(Exception):
    """The message is the whole explanation: it is printed alone, without a traceback."""


class AlreadyRunning(Refusal):
    """Another process holds this state."""
