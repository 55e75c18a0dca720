"""What the web leaves in captions and nobody would say: addresses, names of files, tags."""

from __future__ import annotations

import re

_FILES = "jpe?g|png|gif|bmp|tiff?|webp|svg|heic|mp4|mov|avi|pdf|html?|php"
_TAGS = (
    "a|abbr|article|aside|audio|b|big|blockquote|body|br|button|center|cite|code|col|dd|del|div|dl|dt|em|embed|"
    "fig(?:ure|caption)|font|footer|form|h[1-6]|head(?:er)?|hr|html|i|iframe|img|input|ins|label|li|link|main|meta|"
    "nav|ol|option|p|pre|q|s|section|select|small|source|span|strike|strong|style|script|su[bp]|summary|svg|table|"
    "tbody|td|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|video"
)
_ENTITIES = "nbsp|quot|apos|lt|gt|[mn]dash|[lr][sd]quo|hellip|bull|middot|copy|reg|trade"
#: Tags are those of HTML: the "<PERSON>" that data sets put for a name is a word. Bounded lengths keep the time linear.
_MARKUP = re.compile(
    rf"<(script|style)\b[^<>]*>[^<]*</\1\s*>|</?(?:{_TAGS})(?:\s[^<>]*|/)?>|<!--[^<>]*-->"
    r"|\b[a-z]{2,20}://\S+|\bwww\.\S+|\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]+)+"
    rf"|\b[\w.-]{{1,100}}\.(?:{_FILES})\b"
    r"|\b(?:\w[\w-]{0,62}\.){1,4}[a-z]{2,20}/\S*|\b[\w-]{1,63}\.(?:com|org|net|co\.uk)\b"
    r"|\b(?:img|dsc[nf]?|pxl|dcim)(?:_\w*\d|-\d)[\w-]*"
    rf"|&(?:{_ENTITIES}|\#\d+);|(?<=&)amp;",
    re.IGNORECASE,
)
#: What no markup is without, and most captions are: ten times as quick to look for.
_SIGNS = re.compile(r"[<@&_]|[./]\S|-\d")


def without_markup(caption: str) -> str:
    """The caption with spaces in place of markup, so that every other character stays where it is.

    Example:
        >>> without_markup("my <b>cat</b> https://t.co/xyz").split()
        ['my', 'cat']
    """
    if not _SIGNS.search(caption):
        return caption
    return _MARKUP.sub(lambda found: " " * len(found.group()), caption)
