"""The forms of a page, as a browser would send them."""

from html.parser import HTMLParser


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self._field = self._select = None

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        name = said.get("name")
        if tag == "form":
            self.found.append((said.get("action", ""), []))
        elif tag == "button" and "formaction" in said:
            self.found.append((said["formaction"], self.found[-1][1]))
        elif not self.found or (not name and tag != "option"):
            return
        elif tag == "input" and said.get("type") not in ("checkbox", "radio"):
            # What must be filled in is.
            self._put(name, said.get("value") or ("1" if "required" in said else ""))
        elif tag == "input" and {"checked", "required", "value"} & set(said):
            self._put(name, said.get("value", "on"))
        elif tag == "textarea":
            self._field = name
            self._put(name, "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            self._put(self._select, said.get("value", ""))
            self._select = None

    def handle_data(self, data):
        if self._field:
            self.found[-1][1][-1] = (self._field, data.removeprefix("\n"))

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._field = None

    def _put(self, name, value):
        self.found[-1][1].append((name, value))


def forms_of(html):
    """Each form that does something: (its address, its fields as they are sent, boxes ticked)."""
    reader = _Forms()
    reader.feed(html)
    return [(action, fields) for action, fields in reader.found if "/do/" in action]
