"""Words: what is put into a sentence stays what it is, and nothing else becomes markup."""

from markupsafe import Markup

from services.console.languages import Words


def test_markup_stays_markup_within_a_sentence_and_text_does_not_become_any():
    """A moment keeps its element; a person's name is escaped, whatever is in it."""
    said = Words("en", {})("%(who)s & at %(at)s", who="<b>", at=Markup("<time>1</time>"))
    assert said == Markup("&lt;b&gt; &amp; at <time>1</time>")
    plain = Words("en", {})("%(who)s", who="<b>")
    assert not isinstance(plain, Markup)
    assert Words("es", {"Hello %(x)s": "Hola %(x)s"})("Hello %(x)s", x=Markup("<i>")) == "Hola <i>"
