"""The verdict of ``eopv explain`` in words."""

from __future__ import annotations

from dataflows.prepared.explanation import Apart, Evidence, Explanation, Verdict
from dataflows.prepared.refusals import Extent, Rival
from dataflows.prepared.stored import Link, Observation

SHOWN_DIGITS = 12


def sentence(explanation: Explanation) -> str:
    """The verdict in words; A and B are the observations, others go by the first digits of their ids."""
    a, b = explanation.a, explanation.b
    said = [_verdict(explanation)]
    said += [
        f"{letter} is an exact duplicate of {_short(observation.duplicate_of)}, which stands for it."
        for letter, observation in (("A", a), ("B", b))
        if observation.duplicate_of and explanation.verdict is not Verdict.EXACT_DUPLICATES
    ]
    if a.part_of and a.part_of == b.installation_id:
        said.append(f"A's installation {a.installation_id} is part of B's, {a.part_of}.")
    elif b.part_of and b.part_of == a.installation_id:
        said.append(f"B's installation {b.installation_id} is part of A's, {b.part_of}.")
    elif a.part_of and a.part_of == b.part_of and a.installation_id != b.installation_id:
        said.append(f"Both installations are part of {a.part_of}.")
    return " ".join(said)


def _verdict(explanation: Explanation) -> str:
    a, b, evidence = explanation.a, explanation.b, explanation.evidence
    match explanation.verdict:
        case Verdict.ACCEPTED:
            return f"Accepted: {_strength(evidence)}; both are installation {a.installation_id}."
        case Verdict.JOINED_BY_OTHERS:
            itself = "was never compared" if evidence is None else f"is below the threshold ({_strength(evidence)})"
            return f"Both are installation {a.installation_id} by way of others: {_way(explanation)}. The pair itself {itself}."
        case Verdict.EXACT_DUPLICATES:
            return f"Exact duplicates: {_short(a.compared_id)} stands for both in installation {a.installation_id}."
        case Verdict.BELOW_THRESHOLD:
            return f"Not accepted: below the threshold, {_strength(evidence)}."
        case Verdict.ONE_PER_SOURCE:
            return f"Not accepted: {'; '.join(_rivalry(rival, a, b) for rival in explanation.rivals)}."
        case Verdict.PHASE:
            return "Not accepted: one side has a whole, the other one of several parts that a source lists of it."
        case Verdict.EXTENT:
            return f"Not accepted: {_too_wide(explanation.extent)}."
        case Verdict.LOW_TRUST:
            return f"Not accepted: {_distrust(explanation)}."
        case Verdict.NO_GEOMETRY:
            without = " or ".join(letter for letter, one in (("A", a), ("B", b)) if one.cluster_key is None)
            return f"Never compared: no geometry says where {without} is."
        case Verdict.LISTED_ONCE:
            return f"Never compared: {a.dataset} lists every site once, so that two of its observations are two sites."
        case Verdict.NO_CANDIDATE:
            return f"Never compared: {_out_of_reach(explanation.apart, a, b)}."


def _short(observation_id: str) -> str:
    return observation_id[:SHOWN_DIGITS]


def _strength(evidence: Evidence) -> str:
    relation = "≥" if evidence.match_probability >= evidence.threshold else "<"
    return f"rule {evidence.rule_id}, probability {evidence.match_probability:.4g} {relation} {evidence.threshold:g}"


def _by(link: Link) -> str:
    return f"{link.rule_id} {link.match_probability:.4g}"


def _way(explanation: Explanation) -> str:
    at, way = explanation.a.compared_id, "A"
    for link in explanation.chain:
        (at,) = link.ends - {at}
        way += f" — {_by(link)} — {'B' if at == explanation.b.compared_id else _short(at)}"
    return way


def _rivalry(rival: Rival, a: Observation, b: Observation) -> str:
    known = {a.compared_id: "A", b.compared_id: "B"}
    ends = (rival.observation_id_a, rival.observation_id_b)
    names = [known.get(end, _short(end)) for end in ends]
    held = [
        f"{name} is with {letter} already, by {', '.join(map(_by, chain))}"
        for name, letter, chain in zip(names, "AB", (rival.chain_a, rival.chain_b), strict=True)
        if chain
    ]
    return f"one installation cannot have both {names[0]} and {names[1]} of {rival.dataset}" + "".join(
        f", and {one}" for one in held
    )


def _too_wide(extent: Extent | None) -> str:
    if extent is None:
        return "together, their installations would spread farther than the sizes of their observations allow"
    return f"together, they would spread over {extent.united_m:,.0f} m, and their sizes allow {extent.allowed_m:,.0f} m"


def _distrust(explanation: Explanation) -> str:
    low = {letter: one for letter, one in (("A", explanation.a), ("B", explanation.b)) if one.trust == "low"}
    if len(low) == 2:
        return "both sources are of low trust, which support installations that others know, and make none"
    ((letter, observation),) = low.items()
    if explanation.attached is None:
        return f"{letter} is of low trust and can only support what is there; {_too_wide(explanation.extent)}"
    (other,) = explanation.attached.ends - {observation.compared_id}
    return (
        f"{letter} is of low trust and supports one installation only, by its strongest link, {_by(explanation.attached)},"
        f" that of {_short(other)}"
    )


def _out_of_reach(apart: Apart, a: Observation, b: Observation) -> str:
    said = (
        f"the centroids are {apart.centroid_distance_m:,.0f} m apart, and the search radius is {apart.search_radius_m:,.0f} m"
    )
    if a.dataset == b.dataset:
        return f"{said}; within one source, names and ids are not searched"
    if apart.shared_words:
        words = ", ".join(apart.shared_words)
        reach = f"{apart.named_radius_m / 1000:g} km, {apart.same_name_radius_m / 1000:g} km where names are equal"
        return f"{said}; the names share the word {words}, which counts within {reach}; no id is shared"
    return f"{said}; the names share no word that tells sites apart, and no id is shared"
