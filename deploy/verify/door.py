"""The two APIs, asked as a client asks them."""

import dataclasses
import json
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an API answered."""

    status: int
    text: str

    def json(self):
        """The document in it; an empty one, where there is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return {}


class Door:
    """One API by its URL; `key` is the REST API's."""

    def __init__(self, url, key=None):
        self.url = url.rstrip("/") + "/"
        self._key = key
        self.requests = 0

    def post(self, path, document, signed=True, with_key=True):
        """Posts JSON."""
        self.requests += 1
        headers = {"content-type": "application/json"} | ({"x-api-key": self._key} if with_key and self._key else {})
        request = AWSRequest("POST", self.url + path, data=json.dumps(document).encode(), headers=headers)
        if signed:
            session = boto3.Session()
            SigV4Auth(session.get_credentials(), "execute-api", session.region_name).add_auth(request)
        return self._send(request.prepare())

    @staticmethod
    def _send(prepared):
        request = urllib.request.Request(prepared.url, data=prepared.body, headers=dict(prepared.headers), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.read().decode())


def rest(stage, address):
    """The REST API of a stage; `address` says where its URL is reached."""
    key = boto3.client("apigateway").get_api_key(apiKey=stage.outputs["RestApiKeyId"], includeValue=True)["value"]
    return Door(address(stage.outputs["RestApiUrl"]), key)


def http(stage):
    """The HTTP API of a stage; nothing, where there is none."""
    return Door(stage.outputs["HttpApiUrl"]) if stage.physical("AWS::ApiGatewayV2::Api") else None
