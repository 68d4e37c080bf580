"""PyJWT: an upstream believes what the gateway asserts of a caller, and for another upstream it does not."""

import os

import jwt

assertion, upstream = os.environ["ASSERTION"], os.environ["UPSTREAM"]
keys = jwt.PyJWKClient(os.environ["GATEWAY"] + "/.countersign/jwks.json")
key = keys.get_signing_key_from_jwt(assertion).key
claims = jwt.decode(assertion, key, algorithms=["ES256"], audience=upstream, issuer=os.environ["ISSUER"])
assert claims["exp"] - claims["iat"] <= 60, claims
try:
    jwt.decode(assertion, key, algorithms=["ES256"], audience="another", issuer=os.environ["ISSUER"])
except jwt.InvalidAudienceError:
    print("good")
