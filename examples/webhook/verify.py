"""Is a request one of Postrider's? Standard Webhooks, with Python alone.

    verify(secrets, headers, body) -> True or False

`secrets`: the lines of the secret file (one, or two while a secret is changed); `headers`: with names in lower case;
`body`: the octets as they came, before anybody has read them as JSON.
"""
import base64
import hashlib
import hmac
import time

TOLERANCE = 5 * 60  # seconds: an older request is one that somebody sends once more


def verify(secrets, headers, body, now=None):
    named, stamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and signatures.isascii()):
        return False
    if abs((time.time() if now is None else now) - int(stamp)) > TOLERANCE:
        return False
    signed = f"{named}.{stamp}.".encode() + body
    told = [part.partition(",")[2] for part in signatures.split(" ") if part.startswith("v1,")]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        want = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(want, one) for one in told):
            return True
    return False
