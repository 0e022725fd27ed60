"""The page, its sanitiser, its review form, and what other web pages cannot do."""

import json
import os
import re
from html.parser import HTMLParser

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sandbox.narrative import clean
from tests.sandbox.support_sandbox import BASE, Client, patient, plan

HOSTILE = [
    "<div><script>alert(1)</script>ok</div>",
    '<div onclick="alert(1)" style="position:fixed">ok</div>',
    '<div><img src="x" onerror="alert(1)"/>ok</div>',
    '<div><a href="javascript:alert(1)">ok</a></div>',
    "<div></div></div></article></main><form action='//evil'>ok",
    "<div><svg><script>alert(1)</script></svg><style>*{}</style>ok</div>",
    "<div><!-- <script> --><iframe srcdoc='<script>alert(1)</script>'></iframe>ok</div>",
    "<div><ScRiPt\n>alert(1)</sCrIpT >&lt;script&gt;alert(1)&lt;/script&gt;ok</div>",
    "<div><math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></table></math>ok</div>",
]
_ALLOWED = "p div span b strong i em u small sub sup ul ol li br hr table caption thead tbody tfoot tr td th dl dt dd pre code blockquote h4"
ALLOWED = set(_ALLOWED.split())


class Judge(HTMLParser):
    """Fails on any tag that is not allowed, any attribute, and anything unbalanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert not attrs
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError("comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("declaration")


def judge(text: str) -> None:
    reader = Judge()
    reader.feed(text)
    reader.close()
    assert reader.open == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_narratives_become_harmless(text: str) -> None:
    judge(clean(text))


def test_honest_narratives_keep_their_shape() -> None:
    text = '<div xmlns="http://www.w3.org/1999/xhtml"><h2>Why</h2><p>PHQ-9 <b>18</b> &lt; 20<br/></p><ul><li>one</li></ul></div>'
    assert clean(text) == "<div><h4>Why</h4><p>PHQ-9 <b>18</b> &lt; 20<br></p><ul><li>one</li></ul></div>"


PIECES = st.sampled_from(
    ["<", ">", "</", "/>", "script", "div", " p", "<p>", "</p>", "<td>", "onclick=x", '"', "'", "&lt;", "&", "<!--", "-->", "<![CDATA[", "a", "<br/>"]
)


@settings(max_examples=200 * int(os.environ.get("SETPOINT_TEST_ROUNDS", "1")), deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_nothing_gets_through(pieces: list[str]) -> None:
    judge(clean("".join(pieces)))


async def shown(client: Client) -> str:
    answer = await client.http.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in re.sub(r"<h3>.*?</h3>|<pre>.*?</pre>", "", answer.text).lower() or "&lt;script" in answer.text
    return answer.text


@pytest.mark.parametrize("text", HOSTILE)
async def test_the_page_is_safe_from_what_was_sent(text: str) -> None:
    client = await Client().log_in()
    mark = '"><script>alert(1)</script>'
    sick = patient() | {"name": [{"text": mark}], "identifier": [{"system": mark, "value": mark}]}
    await client.http.post("/sandbox/load", json={"resources": [sick]})
    bad = plan(mark, text={"status": "generated", "div": f"<div>{text}</div>"}, title=mark, activity=[{"detail": {"status": "unknown", "description": mark}}])
    assert (await client.post(bad)).status_code == 201
    flag = {"resourceType": "Flag", "status": "active", "code": {"text": mark}, "subject": {"reference": "Patient/p1"}}
    assert (await client.post(flag)).status_code == 201
    await client.http.get("/fhir/Patient", params={"<script>": mark})
    page = await shown(client)
    assert "<script" not in page
    assert "onerror=" not in page
    assert "<form action='//evil'" not in page


async def test_the_page_says_what_it_is() -> None:
    client = await Client().log_in()
    await client.put_patient()
    await client.post(plan(text={"status": "generated", "div": "<div>Why this is suggested</div>"}))
    page = await shown(client)
    assert "synthetic data only" in page
    assert "Why this is suggested" in page
    assert "Review this plan" in page
    assert page.count("http") == page.count("http://sandbox.test") + page.count("http://127.0.0.1:8000/fhir")
    assert (await client.http.get("/style.css")).headers["content-type"].startswith("text/css")


class Service:
    """Stands in for the service: remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "GET" and request.url.path == "/fhir/CarePlan":
            return httpx.Response(200, json={"resourceType": "Bundle", "entry": [{"resource": {"id": "plan-7"}}]})
        stored = plan(id="plan-7", activity=[{"reference": {"display": "one"}}, {"reference": {"display": "two"}}])
        return httpx.Response(200, json=stored)


async def reviewing() -> tuple[Client, Service]:
    service = Service()
    client = await Client(transport=httpx.MockTransport(service)).log_in()
    await client.put_patient()
    await client.post(plan(activity=[{"detail": {"status": "unknown", "description": "one"}}]))
    return client, service


async def test_a_review_reaches_the_service() -> None:
    client, service = await reviewing()
    data = {"service": "http://127.0.0.1:8000", "identifier": "urn:suggestion|s-1", "decision": "accept", "reason": "agreed"}
    answer = await client.http.post("/sandbox/review", json=data)
    assert (answer.status_code, answer.json()["status"]) == (200, 200)
    look, call = service.requests
    assert str(look.url) == "http://127.0.0.1:8000/fhir/CarePlan?identifier=urn%3Asuggestion%7Cs-1"
    assert (call.method, str(call.url)) == ("POST", "http://127.0.0.1:8000/fhir/CarePlan/plan-7/$review")
    assert call.headers["authorization"].startswith("Bearer ")
    assert json.loads(call.content) == {
        "resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "accept"}, {"name": "reason", "valueString": "agreed"}]}  # fmt: skip


async def test_modify_keeps_what_the_clinician_keeps() -> None:
    client, service = await reviewing()
    data = {"service": "http://127.0.0.1:8000/fhir", "plan": "plan-7", "decision": "modify", "reason": "less", "keep": [1], "note": "weekly"}
    assert (await client.http.post("/sandbox/review", json=data)).status_code == 200
    sent = json.loads(service.requests[-1].content)["parameter"][2]["resource"]
    assert (sent["activity"], sent["note"]) == ([{"reference": {"display": "two"}}], [{"text": "weekly"}])


@pytest.mark.parametrize("change", [{"decision": "maybe"}, {"service": ""}, {"plan": "x"}, {"identifier": None}, {"reviewer": "nobody"}])
async def test_a_review_that_cannot_be_sent_is_422(change: dict[str, object]) -> None:
    client, service = await reviewing()
    data = {"service": "http://127.0.0.1:8000", "identifier": "urn:suggestion|s-1", "decision": "accept"} | change
    assert (await client.http.post("/sandbox/review", json=data)).status_code == 422
    assert service.requests == []


async def test_a_review_goes_nowhere_by_plain_http() -> None:
    client, service = await reviewing()
    data = {"service": "http://169.254.169.254/fhir", "plan": "x", "decision": "accept"}
    assert (await client.http.post("/sandbox/review", json=data)).status_code == 502
    assert service.requests == []


async def test_the_form_needs_the_page() -> None:
    client, service = await reviewing()
    page = await shown(client)
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token is not None
    form = {"identifier": "urn:suggestion|s-1", "service": "http://127.0.0.1:8000/fhir", "decision": "decline", "reason": "no", "reviewer": "sandbox-clinician"}
    await client.http.post("/review", data=form | {"token": "guess"})
    assert service.requests == []
    evil = await client.http.post("/review", data=form | {"token": token[1]}, headers={"origin": "https://evil.test"})
    assert evil.status_code == 403
    done = await client.http.post("/review", data=form | {"token": token[1]}, headers={"origin": BASE, "sec-fetch-site": "same-origin"})
    assert (done.status_code, done.headers["location"]) == (303, "/#plans")
    assert json.loads(service.requests[-1].content)["parameter"][0]["valueCode"] == "decline"
    assert "The service answered 200." in await shown(client)


@pytest.mark.parametrize("headers", [{"origin": "https://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
                                     {"origin": "http://sandbox.test:81"}, {"content-type": "text/plain"}])  # fmt: skip
@pytest.mark.parametrize("path", ["faults", "mode", "load", "clinician-token", "review"])
async def test_other_web_pages_cannot_use_the_controls(path: str, headers: dict[str, str]) -> None:
    client = Client()
    body = json.dumps({"kind": "503", "mode": "no-careplan", "resources": []})
    answer = await client.http.post(f"/sandbox/{path}", content=body, headers={"content-type": "application/json"} | headers)
    assert answer.status_code in (403, 415)
    assert client.hospital.mode.name == "general"
    assert "access-control-allow-origin" not in answer.headers
