"""A pytest plugin for Swift's functional suite: selects the tests of a list, bounds each, and writes down what became
of them, one line a test: outcome, id, reason."""

import os
import signal
import time

import pytest

SECONDS_A_TEST = 60
# The suite's client waits up to 31 s in all when it is answered 5xx or 401, as it is in some tests on purpose.
LONGEST_RETRY_WAIT = 0.5

outcomes = {}


class TooSlow(pytest.fail.Exception):
    """Not an Exception, so that no retry of the suite takes it for an error of the network."""


def pytest_configure(config):
    import test.functional
    import test.functional.swift_test_client as client

    class Clock:
        sleep = staticmethod(lambda seconds: time.sleep(min(seconds, LONGEST_RETRY_WAIT)))

        def __getattr__(self, name):
            return getattr(time, name)

    client.time = Clock()
    test.functional.sleep = Clock.sleep


def pytest_collection_modifyitems(items):
    with open(os.environ['CONFORMANCE_SELECTED']) as lines:
        selected = {line.strip() for line in lines}
    if selected:
        items[:] = [item for item in items if item.nodeid in selected]


def give_up(signum, frame):
    raise TooSlow('took longer than %s s' % SECONDS_A_TEST)


def bounded(phase):
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def run(item):
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(SECONDS_A_TEST)
        try:
            return (yield)
        finally:
            signal.alarm(0)
    run.__name__ = phase
    return run


pytest_runtest_setup = bounded('pytest_runtest_setup')
pytest_runtest_call = bounded('pytest_runtest_call')


def reason(report):
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    crash = getattr(report.longrepr, 'reprcrash', None)
    return crash.message if crash else str(report.longrepr)


def pytest_runtest_logreport(report):
    if report.outcome == 'passed':
        outcomes.setdefault(report.nodeid, ('passed', ''))
    elif outcomes.get(report.nodeid, ('', ''))[0] != 'failed':
        outcomes[report.nodeid] = (report.outcome, ' '.join(reason(report).split())[:300])


def pytest_runtest_logfinish(nodeid):
    outcome, why = outcomes.pop(nodeid)
    with open(os.environ['CONFORMANCE_RESULTS'], 'a') as results:
        results.write('%s\t%s\t%s\n' % (outcome, nodeid, why))
