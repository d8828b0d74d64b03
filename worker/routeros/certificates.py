"""What a router's certificate says of itself."""


def ends_ms(certificate: bytes) -> int:
    """Until when a certificate is valid, in milliseconds since 1970; 0: it cannot be read.

    Args:
        certificate: in DER; routers sign their own, and not all keep to the rules.
    """
    from cryptography import x509  # noqa: PLC0415 - 8 MB, which `events` processes do not need

    try:
        until = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return 0
    return int(until.timestamp() * 1000)
