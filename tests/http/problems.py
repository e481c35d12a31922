"""What every refused HTTP request looks like."""


def assert_problem(response, status, code, *words):
    """The answer is a problem document of this code that says these words."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    for word in words:
        assert word in problem["detail"]
