"""Whether the server lives, and whether it can work."""

from fastapi import APIRouter, Request

from satchel.http.contract import failures

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses=failures({503: "Database or store do not answer; `code` names which."}))
async def readyz(request: Request) -> dict[str, str]:
    """Database and store answer."""
    await request.app.state.files.ping()
    return {"status": "ready"}
