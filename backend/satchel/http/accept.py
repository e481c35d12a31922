"""What a client takes, by the headers that name it: https://www.rfc-editor.org/rfc/rfc9110#section-12.5."""

from starlette.datastructures import Headers


def accepted(headers: Headers, name: str = "accept") -> list[tuple[str, float]]:
    """The entries of a header in their order, in lower case, each with its quality; 0 is what the client refuses."""
    entries = []
    for entry in ",".join(headers.getlist(name)).split(","):
        value, *parameters = (piece.strip().lower() for piece in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if value:
            entries.append((value, quality))
    return entries
