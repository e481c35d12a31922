"""What a client's connection may do: uvicorn's protocols, within limits of size, rate and time, and in turns."""
