"""Runs of the plan, one after the other, in one process."""
from keras_fixhead.reproduction.running.alarm import Alarm, status_of_stop
from keras_fixhead.reproduction.running.choosing import Chooser
from keras_fixhead.reproduction.running.run import Options, Work, run_one
from keras_fixhead.runs import make_folder


def run_all(options: Options, work: Work) -> int:
    """Runs the rest of the plan, one run after the other, until it is done or time is up; returns the exit status."""
    make_folder(options.out)
    failures = 0
    with Alarm(options.deadline) as alarm, Chooser(options, alarm, work.say) as chooser:
        try:
            while (planned := chooser.next()) is not None:
                failures += not run_one(planned, options, work)
                chooser.end(planned)
            chooser.say_done()
        except KeyboardInterrupt:
            if (status := status_of_stop(alarm, work.say)) is not None:
                return status
    return 1 if failures else 0
