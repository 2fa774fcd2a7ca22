"""What `./x sbom` writes: the server's crates and the portal's packages, as the lock files have them."""

import json
import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MADE = pathlib.Path(os.environ["RONGQIAO_SBOM"])


def components(name):
    document = json.loads((MADE / name).read_text())
    assert document["bomFormat"] == "CycloneDX", name
    return document["components"]


class Sbom(unittest.TestCase):
    def test_dj_12_every_crate_of_the_server_is_listed_as_it_is_locked(self):
        there = components("server.cdx.json")
        locked = re.findall(
            r'name = "(.+)"\nversion = "(.+)"\nsource = "registry', (ROOT / "Cargo.lock").read_text()
        )
        ours = re.compile("kernel-|sdk")
        fetched = [c for c in there if not ours.match(c["name"])]
        self.assertGreater(len(fetched), 300)
        for crate in fetched:
            self.assertIn((crate["name"], crate["version"]), locked)
            self.assertTrue(crate["licenses"] and crate["hashes"], crate["name"])
        names = {c["name"] for c in there}
        self.assertLess({"wasmtime", "rusqlite", "axum", "rustls", "sm2", "tokio", "kernel-host"}, names)
        self.assertNotIn("tests-http", names, "what only tests use is not shipped")

    def test_dj_12_every_package_of_the_portal_is_listed_as_it_is_locked(self):
        there = {c["name"]: c for c in components("portal.cdx.json")}
        wanted = json.loads((ROOT / "kernel/portal/web/package.json").read_text())["devDependencies"]
        self.assertLess(2, len(wanted))
        for name, version in wanted.items():
            self.assertEqual(there[name]["version"], version)
            self.assertTrue(there[name]["hashes"], name)


if __name__ == "__main__":
    unittest.main()
