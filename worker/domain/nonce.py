"""The OAuth nonce of a send: what lets Magento itself refuse a second copy of the same call."""

import hashlib

#: Magento's column for nonces holds 32 characters.
_NONCE_LENGTH = 32


def nonce_for(key: str, send_number: int) -> str:
    """Give the nonce of one send: 32 hex digits that depend on nothing but the key and the send number.

    Magento keeps (nonce, consumer) unique for 120 minutes and checks it before any service code, so two copies of one
    send can never both have an effect. A new send after a proven non-effect takes the next send number.

    Args:
        key: Idempotency key of the job.
        send_number: Number of the send, counted from 1.
    """
    return hashlib.sha256(f"{key}:{send_number}".encode()).hexdigest()[:_NONCE_LENGTH]
