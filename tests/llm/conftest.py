import pytest


@pytest.fixture(autouse=True)
def no_keys_nor_proxies(monkeypatch, tmp_path_factory):
    for name in ("REBIND_LLM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # No certificate is ever needed here, and reading those of the system takes most of the time.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no_certificates")))
