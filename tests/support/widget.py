"""Names and addresses for the dashboard, hostile ones among them."""

from __future__ import annotations

ARN = "arn:aws:lambda:us-east-1:123456789012:function:widget"


CONSOLE = "https://us-east-1.console.aws.amazon.com/"


HOSTILE = (
    "<script>alert(1)</script>.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
    "'onmouseover='alert(1).jpg",
    "javascript:alert(1).jpg",
    '<cwdb-action action="call" endpoint="arn:evil">{}</cwdb-action>.jpg',
    "</table></div><iframe src=//evil.example>.jpg",
    "&lt;b&gt;&amp;.jpg",
    "a\u202egpj.exe.jpg",
    "a\nb\x00c.jpg",
    "https://evil.example/?a=b#c.jpg",
)
