"""What stands around the cells of a page."""

from proctor.pages.frame import framed


def test_a_page_without_scripts_says_so_first():
    page = "<head>\n<title>x</title></head><body></body>"
    assert framed(page, False).index("script-src 'none'") < framed(page, False).index("<title>")
    assert "Content-Security-Policy" not in framed(page, True)
    assert framed(page, True).endswith("</style>\n</head><body></body>")
