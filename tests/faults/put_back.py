"""Bugs that were found by attacking the engine, each as the change that puts it back.

Used by `mutant.py`, which runs a test with the bug in it, and by `test_put_back.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]


class Change(NamedTuple):
    """A piece of a file as it is now, which stands there once, and as it was with the bug."""

    file: str
    now: str
    before: str


class Bug(NamedTuple):
    """What puts a bug back, and what fails then.

    Attributes:
        changes: of Python files and Lua scripts.
        file, test: that fails then.
        chaos: how `make chaos` is to show it too; behind `seen` what came up there before it was
            mended. Empty: not at all.
    """

    changes: list[Change]
    file: str
    test: str
    chaos: str = ""


def mutated(text: str, changes: Sequence[Change]) -> str:
    """The text of a file with a bug in it."""
    for change in changes:
        assert text.count(change.now) == 1, f"{change.file}: not once: {change.now!r}"
        text = text.replace(change.now, change.before)
    return text


BUGS: Final[dict[str, Bug]] = {
    "a pool named like an address stops its router": Bug(
        [
            Change(
                "worker/core/rows/rows.py",
                "return address != NO_ADDRESS and _is_ipv4(address) is not None",
                "return address != NO_ADDRESS and address.count('.') == 3",
            )
        ],
        "tests/core/test_entry.py",
        "test_what_is_no_address_is_not_taken_for_one",
    ),
    "two attempts of a manifest are joined": Bug(
        [
            Change(
                "worker/intake/manifest.py",
                "|{_attempt(part.event.data)}",
                "",
            )
        ],
        "tests/files/test_manifests.py",
        "test_nothing_goes_that_a_completed_attempt_lists",
        "a manifest that is sent twice: services that it lists are cancelled",
    ),
    "a manifest of a clock that is ahead cancels what came after it": Bug(
        [
            Change(
                "worker/intake/manifest.py",
                "known_ms = taken_at_ms - MAX_CLOCK_SKEW // timedelta(milliseconds=1)",
                "known_ms = taken_at_ms",
            )
        ],
        "tests/files/test_manifests.py",
        "test_what_came_within_the_skew_of_clocks_is_not_missing",
        "a manifest that is sent twice: services that were activated meanwhile are cancelled",
    ),
    "list rows that land late are not read": Bug(
        [
            Change(
                "worker/convergence/gather.py",
                "closely = has_walled_garden and item.work_item.sent is not None",
                "closely = False",
            )
        ],
        "tests/converge/test_late_rows.py",
        "test_a_list_row_that_lands_late_is_removed_by_the_second_look",
        "a list row that lands late is left on the list until somebody reconciles",
    ),
    "the healthy partner of a refused swap waits": Bug(
        [
            Change(
                "worker/convergence/writing.py",
                "        if held_back is not None:\n            return Waiting(",
                "        if held_back is not None:\n            return None and Waiting(",
            )
        ],
        "tests/converge/test_refused_partners.py",
        "test_who_swaps_with_one_whose_write_is_refused_is_served",
    ),
    "names in a local code page stop alerts": Bug(
        [
            Change(
                "worker/core/alerting/alerts.py",
                'return printable(f"{kind}|{subject}")',
                'return f"{kind}|{subject}"',
            ),
            Change(
                "worker/core/alerting/alerts.py",
                "object.__setattr__(self, name, printable(getattr(self, name)))",
                "object.__setattr__(self, name, getattr(self, name))",
            ),
        ],
        "tests/alerts/test_names_not_utf8.py",
        "test_alerts_with_any_text_are_opened_found_and_resolved",
        "seen: the odd router: no alert of its full pool, and it is never reported on",
    ),
    "a few wrong services block their router": Bug(
        [
            Change(
                "worker/convergence/router_pass.py",
                "work_items = concluder.least_suspected(work_items)[:few]",
                "work_items = work_items[:few]",
            ),
            Change(
                "worker/convergence/writing.py",
                "if is_many and count > services() * MASS_SHARE:",
                "if count > MASS_MORE_THAN:",
            ),
            Change(
                "worker/convergence/concluder.py",
                'alone = self._after_many and bool(before.get("refused"))',
                "alone = False",
            ),
        ],
        "tests/converge/test_verdicts.py",
        "test_six_wrong_services_do_not_starve_the_others_of_a_router",
    ),
    "a lease that lands late is taken for a copy": Bug(
        [
            Change(
                "worker/core/plan/member.py",
                "added = [row for row in tagged if row.identity in sent]",
                "added: list[Lease] = []",
            )
        ],
        "tests/converge/test_late_rows.py",
        "test_a_lease_that_lands_late_is_removed_by_the_second_look",
        "a new row that lands late stays as a second one",
    ),
    "a comment edited without a space is another service's": Bug(
        [
            Change(
                "worker/core/rows/rows.py",
                r"{_PREFIX}([^:\s]+):([A-Za-z0-9._:-]{{1,64}}){_END}(?:",
                r"{_PREFIX}([^:\s]+):(\S+)(?:",
            ),
            Change(
                "worker/convergence/gather.py",
                "named = misnamed(wanted, index) - unknown - known - left_out",
                "named: set[str] = set()",
            ),
            Change(
                "worker/convergence/gather.py",
                "                duplicates,\n                unknown,\n",
                "                duplicates,\n                frozenset(),\n",
            ),
        ],
        "tests/converge/test_edited_comments.py",
        "test_a_row_whose_comment_was_edited_is_changed_and_removed_with_its_service",
        "a row that is edited by hand, `,VIP` at the end of its comment, and then removed",
    ),
    "events go to the machine that had a router's name before": Bug(
        [
            Change(
                "worker/intake/checks.py",
                "former_only(aliases, routers) if aliases else {}",
                "aliases",
            )
        ],
        "tests/leasewire/test_router_names.py",
        "test_a_former_name_that_another_router_has_by_now_is_that_router",
    ),
    "operators' words go by who commits": Bug(
        [
            Change(
                "worker/core/service/own_version.py",
                "    at = max(said_us, 0) * SAID_AT_ONCE\n",
                "    if True:\n"
                "        local = record.highest.local + 1\n"
                "        return record.highest._replace(local=local, digest=digest)\n",
            )
        ],
        "tests/worker/test_source_rights.py",
        "test_the_words_of_operators_go_by_their_times_whichever_is_folded_first",
    ),
    "an event of an incomplete service is applied on no router": Bug(
        [
            Change(
                "worker/intake/draft.py",
                "        if missing:\n            detail = ",
                "        if record.status == 'incomplete':\n            detail = ",
            )
        ],
        "tests/worker/test_source_rights.py",
        "test_what_no_router_can_hold_yet_is_not_applied",
    ),
    "a mistyped router is waited for for ever": Bug(
        [
            Change(
                "worker/convergence/unknown_router.py",
                "if not was_known and work_item",
                "if False and work_item",
            )
        ],
        "tests/converge/test_unknown_router.py",
        "test_a_typing_error_that_was_corrected_leaves_nothing",
    ),
    "a quiet router waits for those with a backlog": Bug(
        [
            Change(
                "worker/compute_gate.py",
                "        if self._is_for_next or not self._begun:",
                "        if not self._begun:",
            )
        ],
        "tests/converge/test_compute_gate.py",
        "test_a_quiet_router_is_not_kept_waiting_by_hot_ones",
    ),
    "answers over REST to another request are believed": Bug(
        [
            Change(
                "worker/routeros/connection.py",
                '    if reply.traps or not menu.endswith("/print"):\n',
                "    if True:\n",
            )
        ],
        "tests/converge/test_rest_answers.py",
        "test_another_menus_answer_is_not_taken_for_an_empty_table",
        "routers over REST that answer wrongly after a boot",
    ),
    "nothing is due after Redis's clock was set back": Bug(
        [
            Change(
                "worker/store/lua/sweep.lua",
                "if last > now + every then",
                "if false then",
            )
        ],
        "tests/store/test_clock_set_back.py",
        "test_a_parked_router_is_tried_when_its_wait_is_over",
        "seen: Redis's clock that is set back: routers are not tried, and journals are not taken",
    ),
    "events are refused while Redis's clock is behind": Bug(
        [
            Change(
                "worker/intake/checks.py",
                "if moment > latest + MOST_AHEAD:",
                "if True:",
            )
        ],
        "tests/worker/test_events_ahead.py",
        "test_it_waits_in_the_journal_until_redis_is_near_its_time",
        "seen: Redis's clock that is far behind: dead letters of the source that orders by times",
    ),
    "an exception in a pass holds its router": Bug(
        [
            Change(
                "worker/convergence/router_pass.py",
                "                self.circuit.failed_here(error)\n        finally:",
                "                pass\n        finally:",
            ),
        ],
        "tests/converge/test_faults.py",
        "test_the_service_that_makes_passes_fail_is_found_and_the_others_go_on",
        "seen: the service that cannot be planned: its neighbours' events have no last word",
    ),
    "who makes passes fail is never given up": Bug(
        [
            Change(
                "worker/convergence/router_pass.py",
                "                self.faults.failed(error)\n",
                "                pass\n",
            ),
        ],
        "tests/converge/test_faults.py",
        "test_the_service_that_makes_passes_fail_is_found_and_the_others_go_on",
        "the service that cannot be planned: it stays marked",
    ),
    "a record that cannot be read stops its router": Bug(
        [
            Change(
                "worker/store/batches.py",
                "except Exception as error:  # noqa: BLE001 - whatever it is, it is reported",
                "except ZeroDivisionError as error:  # what it is reported",
            ),
        ],
        "tests/converge/test_faults.py",
        "test_a_newer_record_is_left_alone_and_its_neighbours_go_on",
        "an older worker beside newer ones: routers stand still while it has them",
    ),
    "events of a newer record are poison": Bug(
        [
            Change(
                "worker/intake/accept.py",
                "        self.store.journal.postpone(lane, key, text_of(raw), at_ms)\n\n",
                "        raise UnknownFormatError('record', at_ms, 0)\n\n",
            ),
        ],
        "tests/worker/test_newer_versions.py",
        "test_its_events_are_left_to_others_and_their_neighbours_are_not",
        "an older worker beside newer ones: dead letters",
    ),
    "what is newer ends the sweep": Bug(
        [
            Change(
                "worker/runtime/sweep.py",
                "            except UnknownFormatError as error:",
                "            except ZeroDivisionError as error:",
            ),
        ],
        "tests/worker/test_newer_versions.py",
        "test_each_part_of_a_sweep_may_meet_what_is_newer",
    ),
    "what changes nothing is applied though nobody looked": Bug(
        [
            Change(
                "worker/intake/draft.py",
                "if at is not None and self._last_read(router) > at.seen_ms:",
                "if False:",
            ),
        ],
        "tests/converge/test_looks_before_applied.py",
        "test_a_row_that_was_removed_is_written_before_that_is_said",
    ),
    "services are given up that a slow router does not answer": Bug(
        [
            Change(
                "worker/convergence/faults.py",
                "return self[service_id].answered",
                "return True",
            ),
        ],
        "tests/converge/test_lost_writes.py",
        "test_a_router_that_answers_no_write_is_told_of_and_nobody_is_given_up",
    ),
    "refused events are kept without end": Bug(
        [
            Change(
                "worker/store/lua/_dead_letters.lua",
                "local DEAD_LETTERS_MOST = 1000",
                "local DEAD_LETTERS_MOST = 1000000",
            ),
        ],
        "tests/store/test_refused_events.py",
        "test_of_a_source_and_reason_the_newest_letters_are_kept_and_the_rest_is_counted",
    ),
    "a service is in use though its row is switched off": Bug(
        [
            Change(
                "worker/convergence/batch.py",
                "elif service_id not in busy and item.warning and (off := switched_off(item)):",
                "elif (off := None) is not None:",
            ),
        ],
        "tests/converge/test_switched_off.py",
        "test_an_event_that_puts_it_into_use_waits_for_a_person",
    ),
    "a failing Redis makes events poison": Bug(
        [
            Change(
                "worker/intake/accept.py",
                "            self.store.journal.not_begun(begun)\n",
                "",
            ),
        ],
        "tests/worker/test_accept_crashes.py",
        "test_what_redis_kept_us_from_ending_counts_no_attempt",
    ),
    "a batch of before a rename brings the former name back": Bug(
        [
            Change(
                "worker/store/lua/commit.lua",
                " or names_a_former_one(c))",
                ")",
            ),
        ],
        "tests/worker/test_rename_under_way.py",
        "test_a_batch_of_before_a_rename_takes_the_name_of_now",
    ),
    "a router is nobody's after a lost answer": Bug(
        [
            Change(
                "worker/store/lua/acquire.lua",
                "(holder and holder ~= ARGV[2])",
                "holder",
            ),
        ],
        "tests/store/test_journal_take.py",
        "test_a_router_whose_answer_was_lost_is_ours_all_the_same",
    ),
    "a pass of the same process is taken for a router that is down": Bug(
        [
            Change(
                "worker/convergence/router_pass.py",
                "        except RouterBusy:\n",
                "        except ZeroDivisionError:\n",
            ),
        ],
        "tests/converge/test_faults.py",
        "test_another_pass_of_this_process_is_no_fault_of_the_router",
    ),
    "the queue of routers grows while nobody takes": Bug(
        [
            Change(
                "worker/store/lua/_notify.lua",
                "math.min(excess, #notified)",
                "0",
            ),
        ],
        "tests/store/test_sweep_rounds.py",
        "test_a_night_without_routers_workers_leaves_as_many_messages_as_routers",
    ),
    "all who want one MAC are woken at once": Bug(
        [
            Change(
                "worker/store/lua/_claims.lua",
                "local WOKEN_AT_ONCE = 100\n",
                "local WOKEN_AT_ONCE = 100000\n",
            ),
        ],
        "tests/store/test_many_want_one_claim.py",
        "test_all_who_wait_are_woken_some_at_a_time",
    ),
    "nobody sees that Redis lost its last second": Bug(
        [
            Change(
                "worker/runtime/sweep.py",
                "        self._check_redis()\n        swept",
                "        swept",
            ),
        ],
        "tests/worker/test_redis_rolled_back.py",
        "test_routers_are_set_to_what_redis_remembers_and_somebody_is_told",
        "seen: Redis that loses its last second: rows that records know nothing of",
    ),
    "manifests of a clock that is ahead are refused": Bug(
        [
            Change(
                "worker/intake/checks.py",
                "    return why or ManifestPart(",
                "    if event.data.taken_at.timestamp() * 1000 > now_ms:\n"
                '        why = NotAccepted("time-in-future", "")\n'
                "    return why or ManifestPart(",
            ),
        ],
        "tests/files/test_manifests.py",
        "test_a_manifest_of_a_clock_that_is_ahead_a_little_is_taken",
        "seen: a manifest that is sent twice, by a clock that is ahead: dead letters",
    ),
    "a shortened lease stays short when its event is withdrawn": Bug(
        [
            Change(
                "worker/core/entry/short_lease.py",
                "    if short.last_ms > now_ms or short.before is None:\n        return now_ms\n",
                "",
            ),
        ],
        "tests/worker/test_short_leases.py",
        "test_an_event_that_is_no_more_puts_the_lease_time_back",
    ),
    "nobody remembers which lease time others had set": Bug(
        [
            Change(
                "worker/core/plan/in_flight.py",
                "None if short.before == before else short._replace(before=before)",
                "None",
            ),
        ],
        "tests/worker/test_short_leases.py",
        "test_what_others_set_is_put_back_exactly_and_is_theirs_again",
    ),
    "what a worker wrote before its first round may be lost unseen": Bug(
        [
            Change(
                "worker/runtime/sweep.py",
                "            self.store.signs.give()\n",
                "",
            ),
        ],
        "tests/worker/test_redis_rolled_back.py",
        "test_what_was_written_before_the_first_round_is_looked_at_too",
    ),
}
