"""Content-addressed storage: blocks on disk, UnixFS in and out, pins, model manifests and scans."""
