"""The keys that the gateway keeps in Redis; nothing else may spell them."""


def api_keys(prefix: str) -> str:
    """Hash: key id -> API key as JSON. No lifetime: an entry lives until it is revoked."""
    return f"{prefix}gateway:keys"


def keys_used(prefix: str) -> str:
    """Hash: key id -> the hour in which it was last used. An entry lives as long as the key."""
    return f"{prefix}gateway:keys:used"


def hash_secret(prefix: str) -> str:
    """String: 64 hex characters, the secret under which API keys are hashed. No lifetime."""
    return f"{prefix}gateway:hash-secret"


def probe(prefix: str) -> str:
    """String: written to learn whether Redis takes writes. Lives a second."""
    return f"{prefix}gateway:probe"
