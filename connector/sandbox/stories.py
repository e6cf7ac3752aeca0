"""Why customers buy: the raw material of believable handoff texts, by industry.

Each story is what a good AE would write after a real sales cycle, with numbers, names and dates
left as `{placeholders}`. The seller is a fictional maker of a request-and-workflow platform
(Relay Desk, Relay Flow, Relay Insight). Pure text: nothing here knows a CRM.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Story:
    """One sales cycle's worth of answers. `tool` is what the customer used before."""

    tool: str
    why: str
    use: str
    success: str
    risks: str
    rival: str
    stake: str
    champion_title: str
    buyer_title: str


STORIES: dict[str, tuple[Story, ...]] = {
    "Manufacturing": (
        Story(
            "a shared mailbox and a maintenance spreadsheet",
            "Line stops are reported by e-mail and phone; in the last quarter {pct}% of them were logged more than a"
            " shift late and two were never followed up. The works council audit on {date1} asks for a traceable log.",
            "Fault requests from {sites} plants into Relay Desk, triaged by shift leads; about {n} shop-floor users on"
            " shared tablets, {k} requests a month. Needs the existing ERP asset list as a lookup.",
            "Median time from fault report to first response under {days} hours by {date2}, measured in the weekly"
            " plant meeting. {buyer} will look at that one number.",
            "Plant 2 built its own tracker last year and its lead is not convinced. Tablets on the paint line have no"
            " single sign-on yet; IT promised it by {date1}.",
            "Shortlist was us and a maintenance suite from their ERP vendor. They chose us for set-up time; the ERP"
            " suite had the better spare-parts view.",
            "{champ} was asked by the board to cut unplanned downtime by {pct}% this year; this project is the main"
            " item in the annual review.",
            "Head of Plant Operations",
            "Chief Operating Officer",
        ),
        Story(
            "an on-premise ticket tool at end of support",
            "Their ticket tool leaves support on {date2} and the supplier-complaint process runs on it. Quality spends"
            " {days} days a month copying complaint data into reports by hand.",
            "Supplier complaints and corrective actions in Relay Flow for {n} people in quality and purchasing at"
            " {sites} sites; 8D form as a template; reports to the quarterly supplier board.",
            "All open complaints moved before {date2} with no gap in numbering, and the monthly report produced in"
            " under one hour instead of {days} days.",
            "History import: {k},000 old complaints with inconsistent supplier names. Purchasing is short-staffed until"
            " {date1}.",
            "Looked at {tool} (renewal) and one low-code platform. The low-code offer was cheaper in year one; they"
            " worried about maintaining it.",
            "{champ} introduced the old tool nine years ago and wants a clean exit with nothing lost.",
            "Director of Quality",
            "VP Supply Chain",
        ),
    ),
    "Healthcare": (
        Story(
            "paper forms and a pager rota",
            "Ward requests for equipment go by phone; nurses lose about {days} hours per ward and week chasing them."
            " An incident in March ({pct}% of infusion pumps not traceable) made it a board topic.",
            "Equipment and transport requests for {sites} wards, {n} nurses and porters, on the phones they carry."
            " Dispatch by location; no patient data in the free-text fields.",
            "Porter response under 15 minutes for {pct}% of requests by {date2}, and zero untraceable pumps in the"
            " next safety walk-round.",
            "Data protection officer must sign the processing record before go-live; she is on leave until {date1}."
            " Night shift is sceptical after a failed pilot of another app.",
            "Compared with a module of their clinical system. It scored higher on integration, lower on speed of"
            " roll-out ({days} months against weeks).",
            "{champ} carries the patient-safety goal for the house and will present the first results to the medical"
            " board on {date2}.",
            "Chief Nursing Officer",
            "Managing Director",
        ),
        Story(
            "three separate booking calendars",
            "Referrals from {sites} practices arrive by fax and e-mail; {pct}% wait more than {days} days for a first"
            " answer and referring doctors have started to send patients elsewhere.",
            "One referral intake in Relay Desk with triage rules by specialty; {n} coordinators; status page for the"
            " referring practice. Read-only link to the appointment book.",
            "First answer to every referral within one working day by {date2}; referral volume back to {k}00 a month.",
            "The appointment vendor charges for each interface and has not quoted yet. Two coordinators retire in"
            " spring.",
            "A niche referral product was ahead on medical forms; {champ} preferred that the team can change rules"
            " itself.",
            "{champ} moved from a larger group to fix exactly this; her probation ends on {date2}.",
            "Director of Patient Access",
            "Chief Financial Officer",
        ),
    ),
    "Software": (
        Story(
            "chat channels and a spreadsheet of escalations",
            "Support-to-engineering escalations live in chat; {pct}% miss their first update and two of their top ten"
            " customers named it in their renewal talks.",
            "Escalation flow between {n} support engineers and {sites} product teams, linked to their issue tracker"
            " both ways; SLA clocks by customer tier.",
            "First engineering update inside {days} hours for 95% of tier-1 escalations by {date2}, seen on the Monday"
            " leadership dashboard.",
            "Engineering managers fear a second tracker: the two-way link has to work in week one. Their tracker's API"
            " limit is tight at {k},000 calls an hour.",
            "Tried to build it on their own tracker; two sprints, no result. Also looked at the incident add-on of"
            " their chat vendor.",
            "{champ} promised the CEO that no renewal would be lost to escalations this year.",
            "VP Customer Support",
            "Chief Technology Officer",
        ),
        Story(
            "a legacy help desk with {n} seats",
            "Help desk contract ends {date2}; price rises {pct}% and reporting still needs a data engineer. They want"
            " support leads to answer their own questions.",
            "Move {n} agents in {sites} regions to Relay Desk with Insight; {k},000 tickets a month; macros and CSAT"
            " survey carried over; single sign-on from day one.",
            "Cut-over on {date2} without a day of double running, and CSAT not below 4.4 in the first month.",
            "Macro clean-up is not started: 1,100 macros, maybe a third in use. APAC team lead was not in the demos.",
            "Incumbent countered with a 20% discount in the last week. They value our reporting; incumbent has the"
            " better mobile app.",
            "{champ} is up for promotion to director and this migration is the case for it.",
            "Head of Support Operations",
            "Chief Operating Officer",
        ),
    ),
    "Retail": (
        Story(
            "store e-mails to head office",
            "{sites} stores send facility and IT problems to four mailboxes; a fridge failure in July sat unread for"
            " {days} hours and cost EUR {k},000 of stock.",
            "One request form for all stores on the till-room tablet; routing to facilities, IT and two outside"
            " contractors; about {n} users.",
            "Cold-chain faults acknowledged within 20 minutes by {date2}; stock write-offs from late reports down"
            " {pct}% against last year.",
            "No roll-out between mid-November and early January (trading freeze). Contractor B refuses portals and"
            " wants e-mail.",
            "Facilities had a quote from a building-management vendor. Better sensors story there, no IT requests.",
            "{champ} was a store manager for ten years; wants stores to feel heard. Personal, not only a target.",
            "Head of Store Operations",
            "Chief Financial Officer",
        ),
        Story(
            "a home-grown returns database",
            "Online returns take {days} days to refund; {pct}% of contacts to the service centre are 'where is my"
            " refund'. The returns database has one maintainer, who leaves on {date1}.",
            "Returns inspection and refund approval in Relay Flow for {n} warehouse and service staff in {sites}"
            " hubs; status feed to the web shop.",
            "Refund decision within 48 hours for 9 of 10 parcels by {date2}; refund contacts halved by the end of the"
            " next quarter.",
            "Web-shop team can give us one developer for {days} days only. Peak season planning starts {date1}.",
            "Considered extending the web-shop suite. It would have taken until next summer.",
            "{champ} inherited the topic after two failed projects and needs an early visible win.",
            "Director of E-Commerce Operations",
            "Managing Director",
        ),
    ),
    "Finance": (
        Story(
            "a workflow tool run by an outside consultant",
            "Each change to an approval flow costs a consultant day and {days} weeks of waiting; internal audit listed"
            " {pct} open points about missing evidence, due {date2}.",
            "Approvals for credit-limit and master-data changes, {n} users in {sites} entities, with four-eyes rule"
            " and an export for the auditors.",
            "All audit points closed by {date2}, and a flow change live in under five working days without outside"
            " help.",
            "Security questionnaire (312 questions) is answered but not countersigned. Legal wants data in the EU"
            " only.",
            "Ran a formal tender with three vendors. We were second on price and first on evidence export.",
            "{champ} answers to the audit committee in person; a clean report on {date2} matters a great deal.",
            "Head of Operational Risk",
            "Chief Financial Officer",
        ),
        Story(
            "e-mail and a case list in a shared drive",
            "Customer complaints must be answered in 15 working days by regulation; {pct}% were late last year and the"
            " supervisor has asked for a plan by {date1}.",
            "Complaint cases for {n} handlers in {sites} service centres, deadlines by business calendar, letter"
            " templates, monthly regulatory return.",
            "Late answers under 2% from the quarter that starts after {date2}; regulatory return produced from Relay"
            " Insight without manual counting.",
            "Letter templates need approval by compliance, which took {days} weeks last time. Old cases stay in the"
            " drive, so two sources for a while.",
            "Only the complaint module of their core system was considered; priced at EUR {k}0,000 a year more.",
            "{champ} was hired after the supervisor's letter; success here is the reason for the role.",
            "Head of Customer Relations",
            "Chief Compliance Officer",
        ),
    ),
    "Transportation": (
        Story(
            "phone calls between depots",
            "Delivery exceptions are phoned between {sites} depots; customers hear of a delay {days} hours late on"
            " average and the largest shipper has a penalty clause from {date2}.",
            "Exception desk for {n} dispatchers, fed by the telematics events; standard messages to shippers; penalty"
            " report by customer.",
            "Shipper told within 30 minutes for {pct}% of exceptions by {date2}; no penalty paid in the first quarter.",
            "Telematics vendor changes its interface in the week of {date1}; the old one stays for 90 days. Two depots"
            " work offline at night.",
            "A transport-management add-on was on the list; it covers own fleet only, not subcontractors.",
            "{champ} negotiated the penalty clause and will be measured on it.",
            "Head of Dispatch",
            "Chief Operating Officer",
        ),
        Story(
            "a claims mailbox and a spreadsheet",
            "Freight claims of EUR {k}0,000 expired last year because nobody saw the deadline; finance found out at"
            " year end.",
            "Claims intake with photos, deadline clocks by carrier contract, {n} users in claims and finance at"
            " {sites} branches.",
            "No claim expired unseen after {date2}; recovered amount reported monthly, target plus {pct}%.",
            "Carrier contracts exist as scanned paper; somebody must type the deadlines in. Finance closes the year"
            " until {date1} and is not available.",
            "Talked to a claims specialist firm on commission (22% of recoveries). Ours is the in-house option.",
            "{champ} reports to the new CFO, who asked for this in the first week.",
            "Claims Team Lead",
            "Chief Financial Officer",
        ),
    ),
    "Education": (
        Story(
            "paper slips and a walk-in counter",
            "Student services answer {k}00 requests a week at a counter; queues of {days} hours in enrolment weeks were"
            " in the student press in October.",
            "Online request desk for {n} staff in {sites} faculties: certificates, fees, timetable changes; sign-in"
            " with the campus account.",
            "Counter visits down {pct}% by the enrolment period that starts {date2}; certificate requests answered the"
            " same day.",
            "The staff council must agree to response-time reports; meeting on {date1}. Faculty of Law wants its own"
            " forms.",
            "The campus-management vendor offers a portal next year. They could not wait for another enrolment.",
            "{champ} is acting head and applies for the permanent post in spring.",
            "Head of Student Services",
            "Registrar",
        ),
    ),
    "Energy": (
        Story(
            "radio calls and a control-room logbook",
            "Field crews report grid defects by radio; {pct}% of entries in the logbook cannot be matched to an asset,"
            " and the regulator's sample check is on {date2}.",
            "Defect reports with photo and position for {n} field staff in {sites} districts, matched to the asset"
            " register; works offline.",
            "95% of defects matched to an asset by {date2}; average time to repair order under {days} days.",
            "Offline use is a hard requirement, tested only on two of five devices. Asset register export is nightly,"
            " not live.",
            "Their GIS vendor has a mobile module: stronger map, weak workflow. Price was equal.",
            "{champ} signs the statement to the regulator personally.",
            "Head of Grid Operations",
            "Technical Director",
        ),
    ),
    "Telecommunications": (
        Story(
            "a trouble-ticket system from a merged company",
            "After the merger two ticket systems run side by side; {pct}% of business-line faults are re-typed and"
            " {days} SLA credits were paid last quarter.",
            "One fault desk for business lines, {n} agents in {sites} centres, link to the network alarm system and to"
            " the two billing systems.",
            "No re-typed ticket after {date2}; SLA credits below EUR {k},000 in the first full quarter.",
            "Second billing system has no API, only a nightly file. Works agreement of the acquired company differs on"
            " shift data.",
            "Extending either of the two ticket systems was the alternative; each side blocked the other's.",
            "{champ} leads the merger work stream and has to close it by {date2}.",
            "Director of Service Assurance",
            "Chief Technology Officer",
        ),
    ),
    "Hospitality": (
        Story(
            "walkie-talkies and a paper log",
            "Guest requests get lost between reception and housekeeping; review scores fell from 8.8 to 8.2 in a year"
            " and named slow service in one review of three.",
            "Guest and room requests in {sites} hotels, {n} staff on shared phones, in four languages; rooms out of"
            " order shown to reception.",
            "Request done within 25 minutes for 9 of 10 by {date2}; review score for service back above 8.6.",
            "Seasonal staff change every {days} months, so training must be under 20 minutes. Hotel 3 is being"
            " rebuilt until {date1}.",
            "The property-management vendor's app was the favourite of IT; staff in the trial preferred ours.",
            "{champ} wants the regional director post that opens in summer.",
            "Cluster General Manager",
            "VP Operations",
        ),
    ),
}

COMMITMENTS: tuple[str, ...] = (
    "Two live training sessions (60 minutes each) before {date1}; recorded. No extra charge.",
    "Import of their current request list by our team, up to 20,000 rows, done by {date1}.",
    "Named CSM with a weekly call for the first eight weeks. Response to e-mail within one working day.",
    "Price held for {n2} further seats until {date2}; agreed by {manager}.",
    "Single sign-on set-up in week one with our solutions engineer on the call; they provide the metadata by {date1}.",
    "Custom export for their auditors: we show a first version by {date1}, final by {date2}. In the contract, annex 2.",
    "Sandbox copy of their set-up kept until {date2} so that the pilot team can practise.",
    "No commitments were made beyond the standard contract.",
)

SPECIAL_TERMS: tuple[str, ...] = (
    "Opt-out at month three if single sign-on is not live. Payment 60 days net.",
    "First month free of charge; invoice starts {date2}.",
    "Uptime 99.9% with service credits, annex 3.",
    "Renewal cap of 4% for two terms. Agreed by {manager}.",
)

RENEWAL_SUCCESS: tuple[str, ...] = (
    "Keep weekly active users above {pct} of {n} and add the second site by {date2}; {champ} reports both to {buyer}.",
    "Same response-time target as last term (under {days} hours) and one board report from Relay Insight by {date2}.",
    "Finish the roll-out to the last {sites} teams by {date2}; after that, fewer than five open support cases a month.",
)

UPSELL_SUCCESS: tuple[str, ...] = (
    "{n} more users live by {date2}, and at least {pct}% of them active in the fourth week.",
    "Relay Insight dashboards replace the monthly spreadsheet by {date2}; {buyer} opens them in the board meeting.",
    "Two further flows live by {date2}, built by their own team after one workshop with us.",
)
