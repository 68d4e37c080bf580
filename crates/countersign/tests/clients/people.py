"""Authlib: a person signs in by code and PKCE, userinfo, refresh, and a device."""

import html
import os
import re

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

issuer, client, callback, scope = (os.environ[n] for n in ("ISSUER", "CLIENT_ID", "CALLBACK", "SCOPE"))
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
cookies = {}


def send(url, form=None):
    """Plays a browser: its cookies are secure ones, which `requests` would keep from plain HTTP."""
    url = url if url.startswith("http") else issuer + url
    fields = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    answer = requests.request("POST" if form else "GET", url, data=form, headers=fields, allow_redirects=False)
    for field in answer.raw.headers.getlist("set-cookie"):
        name, value = field.split(";")[0].split("=", 1)
        cookies[name] = value
    return answer


def fill(page, path, fields):
    """Fills in a form."""
    hidden = [(n, html.unescape(re.search(f'name="{n}" value="([^"]*)"', page.text)[1])) for n in ("csrf", "request")]
    return send(path, hidden + fields)


def allow(url, path):
    """Signs in where that is asked, and allows what is asked."""
    page = send(url)
    if 'id="sign-in"' in page.text:
        typed = [("username", os.environ["USERNAME"]), ("password", os.environ["PASSWORD"])]
        page = send(fill(page, "/login", typed).headers["Location"])
    if "Location" not in page.headers:
        page = fill(page, path, [("scope", one) for one in scope.split()] + [("decision", "allow")])
    return page.headers.get("Location")


session = OAuth2Session(
    client, scope=scope, redirect_uri=callback, code_challenge_method="S256", token_endpoint_auth_method="none"
)
metadata = requests.get(f"{issuer}/.well-known/openid-configuration").json()
verifier = generate_token(48)
url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
back = allow(url, "/consent")
endpoint = metadata["token_endpoint"]
token = session.fetch_token(endpoint, authorization_response=back, code_verifier=verifier, state=state)
about = session.get(metadata["userinfo_endpoint"]).json()
assert about["sub"].startswith("user_"), about
renewed = session.refresh_token(endpoint, refresh_token=token["refresh_token"])
assert renewed["access_token"] != token["access_token"]
begun = requests.post(metadata["device_authorization_endpoint"], data={"client_id": client, "scope": scope}).json()
allow(begun["verification_uri_complete"], "/device")
device = session.fetch_token(endpoint, grant_type=DEVICE, device_code=begun["device_code"])
assert device["refresh_token"], device
print("good")
