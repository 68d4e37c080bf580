"""Authlib: a person signs in by code and PKCE, userinfo, refresh, and a device."""

import html
import os
import re
from urllib.parse import urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

issuer, client, callback, scope = (os.environ[n] for n in ("ISSUER", "CLIENT_ID", "CALLBACK", "SCOPE"))
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
provider = os.environ.get("PROVIDER")
jars = {}


def send(url, form=None):
    """Plays a browser: its cookies are secure ones, which `requests` would keep from plain HTTP."""
    cookies = jars.setdefault(urlsplit(url).netloc, {})
    fields = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    method = "GET" if form is None else "POST"
    answer = requests.request(method, url, data=form, headers=fields, allow_redirects=False)
    for field in answer.raw.headers.getlist("set-cookie"):
        name, value = field.split(";")[0].split("=", 1)
        cookies[name] = value
    return answer


def fill(page, path, fields):
    """Fills in a form."""
    hidden = [(n, html.unescape(re.search(f'name="{n}" value="([^"]*)"', page.text)[1])) for n in ("csrf", "request")]
    return send(urljoin(page.url, path), hidden + fields)


def answer(page):
    """Does what a page asks for; None: it asks for nothing. With PROVIDER set, people sign in at that identity provider."""
    if "Location" in page.headers:
        return send(urljoin(page.url, page.headers["Location"]))
    if provider and f'id="with-{provider}"' in page.text:
        return fill(page, f"/federation/{provider}", [])
    if 'id="sign-in"' in page.text:
        return fill(page, "/login", [("username", os.environ["USERNAME"]), ("password", os.environ["PASSWORD"])])
    if 'id="allow"' not in page.text:
        return None
    path = "/device" if 'name="user_code"' in page.text else "/consent"
    return fill(page, path, [("scope", one) for one in scope.split()] + [("decision", "allow")])


def allow(url):
    """Signs in where that is asked, and allows what is asked."""
    page = send(url)
    while not page.headers.get("Location", "").startswith(callback):
        following = answer(page)
        if following is None:
            break
        page = following
    return page.headers.get("Location")


session = OAuth2Session(
    client, scope=scope, redirect_uri=callback, code_challenge_method="S256", token_endpoint_auth_method="none"
)
metadata = requests.get(f"{issuer}/.well-known/openid-configuration").json()
verifier = generate_token(48)
url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
back = allow(url)
endpoint = metadata["token_endpoint"]
token = session.fetch_token(endpoint, authorization_response=back, code_verifier=verifier, state=state)
about = session.get(metadata["userinfo_endpoint"]).json()
assert about["sub"].startswith("user_"), about
renewed = session.refresh_token(endpoint, refresh_token=token["refresh_token"])
assert renewed["access_token"] != token["access_token"]
begun = requests.post(metadata["device_authorization_endpoint"], data={"client_id": client, "scope": scope}).json()
allow(begun["verification_uri_complete"])
device = session.fetch_token(endpoint, grant_type=DEVICE, device_code=begun["device_code"])
assert device["refresh_token"], device
print("good")
