"""Makes the site of the pages, and follows every link in it.

    python3 build.py MDBOOK OUT

The pages of docs/ stand at the top of the site, those of the rest of the project in their folders. Files that pages link to are
copied, so that no link leaves the site but to the web; a link whose text is a page's file has that page's title instead. Ends with 1,
and names the link, where one leads nowhere.
"""

import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

PROJECT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\"#\s]+)")
NAMED = re.compile(r"\[[\w./-]+\.md\]\(([^)#\s]+)")
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("http://", "https://", "mailto:", "data:", "javascript:")


def in_book(path):
    """Where a file of the project stands in the book; a README is the first page of its folder."""
    path = path.relative_to("docs") if path.parts[0] == "docs" else path
    return path.with_name("index.md") if path.name == "README.md" else path


def resolved(page, target):
    """The file of the project that a page links to."""
    return pathlib.Path(os.path.normpath(page.parent / target))


class Book:
    """The source of the book, made of the project's pages."""

    def __init__(self, source):
        self.source = source
        # The titles of all pages, by their files in the project.
        self.pages = {}

    def add_page(self, path):
        """Copies a page with its links as they are in the book, and what it links to that is no page of the book."""
        text = (PROJECT / path).read_text()
        parts = CODE.split(text)
        parts[::2] = [self.converted(path, part) for part in parts[::2]]
        target = self.source / in_book(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(parts))

    def converted(self, page, text):
        """A text of a page, without code, as it is in the book."""
        titled = NAMED.sub(lambda link: f"[{self.title(page, link)}]({link[1]}", text)
        return LINK.sub(lambda link: link[1] + self.link(page, link[2]), titled)

    def title(self, page, link):
        """The title of a page that a link is named after, or the text that it has."""
        return self.pages.get(resolved(page, link[1]), link[0][1:].partition("]")[0])

    def link(self, page, target):
        """The link's target, seen from the page's place in the book."""
        if target.startswith(ELSEWHERE):
            return target
        file = resolved(page, target)
        place = in_book(file) if file in self.pages else self.copy(page, file)
        return os.path.relpath(place, in_book(page).parent)

    def copy(self, page, file):
        """Copies a file that is no page of the book; returns where it stands there."""
        if (PROJECT / file).is_dir():
            sys.exit(f"error: {page} links to a folder, which a site cannot show: {file}\nhint: link to a file in it")
        # mdBook takes nothing that ends in .md but the pages of its table of contents.
        place = file.with_suffix(".txt") if file.suffix == ".md" else in_book(file)
        target = self.source / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / file, target)
        return place

    def add_all(self):
        """Adds the table of contents and every page in it."""
        contents = pathlib.Path("docs/SUMMARY.md")
        listed = re.findall(r"\[([^\]]+)\]\(([^)]+)\)", (PROJECT / contents).read_text())
        self.pages = {resolved(contents, target): title for title, target in listed}
        self.add_page(contents)
        for page in self.pages:
            self.add_page(page)


class Anchors(html.parser.HTMLParser):
    """The ids and the links of a page of the site."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src") and value and tag != "base":
                self.links.append(value)


def broken(site):
    """Every link within the site that leads nowhere."""
    pages = {path: Anchors(path.read_text()) for path in site.rglob("*.html")}
    for path, page in pages.items():
        # These two are shown at any address.
        if path.name in ("404.html", "toc.html"):
            continue
        for link in page.links:
            if link.startswith(ELSEWHERE):
                continue
            name, _, anchor = urllib.parse.unquote(link).partition("#")
            target = pathlib.Path(os.path.normpath(path.parent / name)) if name else path
            if not target.exists():
                yield f"{path.relative_to(site)}: there is no {link}"
            elif anchor and target in pages and anchor not in pages[target].ids:
                yield f"{path.relative_to(site)}: there is no heading {link}"


def main():
    mdbook, out = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    shutil.rmtree(out, ignore_errors=True)
    source = out / "src"
    source.mkdir(parents=True)
    shutil.copy(HERE / "book.toml", out)
    shutil.copy(HERE / "book.css", out)
    Book(source).add_all()
    subprocess.run([mdbook, "build", out], check=True)
    problems = sorted(set(broken(out / "html")))
    if problems:
        sys.exit("\n".join(problems))
    print(f"{out}/html/index.html")


if __name__ == "__main__":
    main()
