"""Authlib and PyJWT: a client obtains, a resource server verifies, introspects; the client revokes."""

import os
import jwt
from authlib.integrations.requests_client import OAuth2Session
issuer, client, secret = (os.environ[n] for n in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
for method in ("client_secret_basic", "client_secret_post"):
    session = OAuth2Session(client, secret, token_endpoint_auth_method=method, scope="orders:read")
    token = session.fetch_token(f"{issuer}/oauth/token", grant_type="client_credentials")["access_token"]
    key = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=os.environ["AUDIENCE"], issuer=issuer)
    assert claims["client_id"] == client, claims
    assert session.introspect_token(f"{issuer}/oauth/introspect", token).json()["active"]
    assert session.revoke_token(f"{issuer}/oauth/revoke", token).status_code == 200
    assert session.introspect_token(f"{issuer}/oauth/introspect", token).json() == {"active": False}
print("good")
