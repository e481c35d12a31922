"""What every refused GraphQL request looks like."""


def assert_refused(response, status, code, *words):
    """The request was not run: a GraphQL error of this status and code that says these words, without data."""
    assert response.status_code == status, response.text
    answer = response.json()
    assert answer.keys() == {"errors"}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
    for word in words:
        assert word in answer["errors"][0]["message"]
