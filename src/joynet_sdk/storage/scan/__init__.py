"""Look at model files before anything is loaded: only known formats, every size within bounds."""

from joynet_sdk.storage.scan.folder import Scan, ScannedFile, scan_model

__all__ = ["Scan", "ScannedFile", "scan_model"]
