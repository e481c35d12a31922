"""Whether the server lives, and whether it can work."""

from fastapi import APIRouter, Request

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Database or store do not answer; `code` names which."}})
async def readyz(request: Request) -> dict[str, str]:
    """Database and store answer."""
    await request.app.state.files.ping()
    return {"status": "ready"}
