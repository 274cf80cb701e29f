"""What bench-load is told to ask for, and where its answer has what most scenarios want to know."""

CHUNK_BYTES = 300
CPU_CALL = "processes.gateway.cpu_us_per_call"


def marker(**knobs):
    return ["--marker", ",".join(f"{name}={value}" for name, value in
                                 {"canned": 1, **knobs}.items())]


def stream_marker(chunks, interval_ms):
    return ["--stream", *marker(chunks=chunks, chunk_interval_ms=interval_ms,
                                chunk_bytes=CHUNK_BYTES, send_time=1)]
