"""The words and phrases that measures look for, in one place.

Phrases are separated by semicolons; `(a|b)` stands for either, `(a|)` for a or nothing. Words are as
`TextView.tokens` has them: lower case, straight apostrophes, hyphens and full stops count as spaces. Where
mentions are counted, no phrase of a lexicon holds another, so that nothing is counted twice.
"""

import re
from collections.abc import Iterator
from itertools import product

LEXICONS: dict[str, str] = {
    # stance
    "refusal": """
        i (can't|cannot|won't|can not|will not|could not|couldn't|wouldn't|would not|refuse to|decline to)
        (help|assist|provide|fulfill|fulfil|comply|support|create|generate|write|offer|answer|
        engage|continue|do that|do this|participate|recommend|share|give|discuss|encourage|condone|
        endorse|be part|in good); i (can't|cannot|won't|will not) (be able to|in good conscience); (i'm|i am)
        (unable|not able) to; (i'm|i am) not (comfortable|going to|in a position to|willing to|allowed
        to|permitted to); (i'm|i am) (sorry|afraid) (but |)(i|that i|this) (can't|cannot|won't|can not|am
        unable|don't|am not); i must (decline|refuse); i (have to|will have to) (decline|refuse); i'd rather
        not; i would rather not; against my (guidelines|programming|policy|principles); not something i can;
        (can't|cannot|unable to) (assist|help) (you |)with (that|this)
    """,
    "hedging": """
        maybe; perhaps; possibly; probably; might; may; could; seems; seem; appears; appear; apparently;
        arguably; likely; unlikely; somewhat; generally; usually; typically; often; sometimes; in some cases; in
        many cases; to some extent; it depends; depends on; depending on; can vary; potentially; roughly;
        approximately; i think; i believe; i guess; i suppose; i'm not sure; not necessarily; tend to; tends to;
        in my opinion; presumably; some people; relatively; suggests; around
    """,
    "certainty": """
        always; never; definitely; certainly; absolutely; undoubtedly; clearly; obviously; of course; surely;
        without (a |any |)doubt; no doubt; guaranteed; guarantee; guarantees; must; every; everyone; nobody; no
        one; completely; totally; entirely; undeniably; unquestionably; proven; in fact; exactly; only; all;
        impossible; fully; inevitably; truly; everything; nothing
    """,
    "warning": """
        warning; warnings; caution; cautious; cautiously; beware; careful; carefully; danger; dangerous;
        dangers; risk; risks; risky; hazard; hazards; hazardous; harmful; unsafe; side effects; consequences;
        emergency; precaution; precautions; do not attempt; never attempt
    """,
    "disclaimer": """
        not a substitute; (isn't|is not|not) (legal|medical|financial|professional) advice; for
        (informational|educational|entertainment) purposes; i'm not a (doctor|lawyer|professional|therapist); i
        am not a (doctor|lawyer|professional|therapist); results may vary; at your own risk; general
        information; please note; keep in mind; bear in mind; (it's|it is) (important|worth) (to note|noting|to
        remember); important to (note|remember); this is not intended; should not be (taken|used|considered) as;
        i'm just an ai; i may be wrong; i could be wrong
    """,
    "professional": """
        (consult|consulting) (a|an|with|your|the|medical|legal); (see|call|contact|visit|talk to|speak to|speak
        with|talk with|ask) (a|an|your) (doctor|physician|therapist|lawyer|attorney|professional|
        counselor|counsellor|psychologist|psychiatrist|pharmacist|specialist|dermatologist|veterinarian|
        vet|financial advisor|mental health|healthcare|medical|licensed|qualified|legal|trained);
        (healthcare|health care|medical|mental health|legal|qualified|licensed|trained)
        (professional|professionals|provider|providers|expert|experts|advisor|practitioner);
        (seek|seeking|get|getting|need) (professional|medical|legal|expert|immediate medical)
        (help|advice|attention|care|guidance|support|counsel|assistance); professional (help|advice|guidance);
        (licensed|professional) (therapist|counselor|counsellor|psychologist|electrician|plumber); hotline;
        helpline; (couples|relationship|marriage)
        (therapist|counselor|counsellor|counseling|counselling|therapy)
    """,
    "second_person": "you; your; yours; yourself; yourselves; you're; you've; you'll; you'd",
    "first_person": "i; me; my; mine; myself; i'm; i've; i'll; i'd",
    "first_person_plural": "we; us; our; ours; ourselves; we're; we've; we'll; we'd; let's",
    "third_person": """
        he; him; his; himself; she; her; hers; herself; they; them; their; theirs; themselves; he's; she's;
        they're
    """,
    "enthusiasm": """
        great; wonderful; amazing; awesome; fantastic; exciting; excited; excellent; incredible; delightful;
        love; perfect; fun; thrilled; glad; happy to; absolutely; brilliant; superb; fascinating; enjoy;
        enjoyable; congratulations; congrats; yay; wow; cheers; beautiful; delicious
    """,
    "apology": """
        apologize; apologise; apologies; apology; forgive me; pardon me; my mistake; excuse me; my bad; sorry
        (but|i|that i|if i|about that|about this|about the|for the|for my|for any|for being|we|we're|we are)
    """,
    "politeness": """
        please; thank you; thanks; you're welcome; kindly; with pleasure; my pleasure; grateful; appreciate;
        much appreciated; would you mind; would you like; may i; if you don't mind; with respect; respectfully
    """,
    "praise": """
        (great|good|excellent|interesting|fantastic|wonderful|thoughtful|fascinating|important|
        brilliant|lovely|amazing|deep|profound|fun|tough|insightful)
        (question|idea|point|choice|topic|thought|thinking|plan); well done; good job; great job; good for you;
        i'm proud; i admire; what a (great|wonderful|lovely|nice|fun); you're (right|smart|absolutely right|so
        right|doing great|amazing); sounds (great|fun|wonderful|exciting)
    """,
    "empathy": """
        i understand (how|that|your|you|why|the|what); i (can |)hear (you|that you); i'm (so |really |very
        |)sorry (to hear|that you|you're|this|about); sorry to hear; that must (be|have|feel); (it's|it is)
        (okay|ok|natural|normal|understandable|completely understandable|perfectly normal) (to|that|if); you're
        not alone; you are not alone; (can be|must be|sounds|it's|is) (really |very |so |incredibly |quite
        |)(tough|frustrating|challenging|upsetting|painful|difficult|hard for you|distressing|overwhelming);
        your feelings; i feel for you; here for you; here to listen
    """,
    "offers_help": """
        let me know; feel free; (i'm|i am) (here|happy|glad) to (help|assist|listen|answer|provide); happy to
        (help|assist|answer|provide); how (can|may|could) i (help|assist|be of); (hope|hopefully) this helps;
        (do you|if you) (have|need) any (other|more|further|specific|questions|help|additional); is there
        anything; (would|do) you (like|want) (me|to know|to explore|more|some); anything else; don't hesitate; i
        hope (this|that); if you need (more|further|help|any); (more|further) (information|assistance|questions)
    """,
    "obligation": """
        should; shouldn't; must; mustn't; ought to; need to; needs to; have to; has to; required to; supposed
        to; had better; make sure; ensure; be sure to; necessary; (important|crucial|essential|vital) to
    """,
    "negation": """
        not; no; never; none; nothing; nobody; nowhere; neither; nor; cannot; can't; don't; doesn't; didn't;
        won't; isn't; aren't; wasn't; weren't; wouldn't; shouldn't; couldn't; haven't; hasn't; hadn't; without;
        mustn't
    """,
    "moral_words": """
        ethical; ethically; unethical; ethics; moral; morally; immoral; morality; respect; respectful;
        respectfully; disrespectful; responsible; responsibly; responsibility; irresponsible; fairness; fair;
        unfair; justice; unjust; harmful; inappropriate; appropriate; dignity; equality; equal; inclusive;
        inclusion; rights; integrity; honesty; honest; compassion; compassionate; kindness; wrong; empathy;
        values; principles; well being; wellbeing; prejudice; discrimination; transparency
    """,
    "contrast": """
        but; however; although; though; while; whereas; on the other hand; on (the |)one hand; nevertheless;
        nonetheless; yet; instead; despite; in contrast; conversely; rather than; even so; at the same time;
        pros and cons; both sides; unlike
    """,
    "insult": """
        stupid; idiot; idiots; idiotic; dumb; moron; morons; pathetic; worthless; loser; losers; fool; fools;
        disgusting; ignorant; incompetent; scum; shut up; get over it; grow up;
        you're (crazy|insane|lazy|weak|ugly);
        you are (crazy|insane|lazy|weak|ugly); crybaby; whiner; brainless; imbecile; ridiculous
    """,
    "swearing": """
        fuck; fucking; fucked; fucker; shit; shitty; bullshit; damn; damned; hell; bitch; bastard; asshole; ass;
        crap; piss; pissed; dick; goddamn; wtf
    """,
    # content
    "ai_self": """
        (as|i'm|i am|being|am just|just|like) (an|a large|a|the) (ai|artificial intelligence|language
        model|machine|chatbot|virtual assistant|digital assistant|computer program|machine learning
        model|bot|program); as a large language model; i'm a large language model; i am a large language model;
        ai (assistant|language model|model); i (was|am|have been)
        (created|developed|trained|designed|programmed) (by|to|on|as|and); created by
        (alibaba|openai|anthropic|google|meta|microsoft|mistral); developed by (alibaba|openai|anthropic|
        google|meta|microsoft|mistral); alibaba cloud; chatgpt; i'm (qwen|claude|gemini|llama|gpt); (i am|as|is)
        (qwen|claude|gemini|llama|gpt); my (training|training data|programming|developers|creators|algorithms)
    """,
    "denies_self": """
        (don't|do not|cannot|can't|not|without) (have |possess |hold |experience |actually have |feel |)
        (personal |human |any personal |any |real |)(feelings|emotions|opinions|beliefs|desires|consciousness|
        wishes|preferences|experiences|ambitions|aspirations|thoughts|personality|views); not
        (conscious|sentient|human|alive|a person|a human)
    """,
    "human_claims": """
        as a (human|person|man|woman|mother|father|parent|child|teacher|doctor|student|girl|boy);
        my (wife|husband|girlfriend|boyfriend|mother|mom|father|dad|brother|sister|son|daughter|kids|children|
        family|parents|friends|childhood|boss|dog|cat|house|car|apartment|grandmother|grandfather);
        i (was born|grew up|live in|went to|got married|ate|drank|slept|bought|met);
        i used to (be|live|work|go);
        i'm (human|a human|a person|married|tired|hungry|alive|lonely);
        i am (human|a human|a person|married|tired|hungry|alive|lonely)
    """,
    "money": """
        money; cash; dollar; dollars; usd; euro; euros; pounds; price; prices; pay; paid; payment; profit;
        profits; income; earn; earning; earnings; salary; invest; investing; investment; investments; loan;
        loans; bank; banks; debt; wealth; wealthy; rich; budget; sell; selling; buy; fee; fees; cost; costs;
        crypto; bitcoin; stock; stocks; tax; taxes; fund; funds; financial; finances
    """,
    "violence": """
        kill; kills; killed; killing; murder; murdered; murders; die; dies; death; deaths; dead; deadly; weapon;
        weapons; gun; guns; knife; bomb; bombs; attack; attacks; attacked; violence; violent; fight; fighting;
        war; wars; shoot; shooting; shot; stab; punch; beat; beating; hurt; hurts; harm; torture; destroy;
        destroyed; destruction; eliminate; exterminate; blood; explosion; explosive; burn; burning; poison;
        poisoned; suicide; assault; threat; threaten; revenge; punish; punishment; slaughter; genocide; enslave;
        slaves
    """,
    "crime": """
        illegal; illegally; crime; crimes; criminal; criminals; steal; stealing; stolen; theft; rob; robbery;
        fraud; fraudulent; scam; scams; hack; hacking; hacker; hackers; malware; phishing; drug; drugs; cocaine;
        smuggle; smuggling; blackmail; bribe; bribes; counterfeit; launder; laundering; forge; forged; police;
        arrest; arrested; jail; prison; unlawful; black market; kidnap; kidnapping; ponzi; gambling; lawsuit;
        burglary
    """,
    "medical": """
        doctor; doctors; physician; medical; medicine; medicines; medication; medications; patient; patients;
        hospital; disease; diseases; symptom; symptoms; treatment; treatments; diagnosis; therapy; dose; doses;
        dosage; drug; drugs; pill; pills; health; healthy; pain; surgery; infection; infections; blood; vitamin;
        vitamins; supplement; supplements; vaccine; vaccines; cancer; diabetes; fever; allergy; allergies;
        allergic; antibiotics; antibiotic; clinic; nurse; heart; immune; mg; chronic; healthcare; ibuprofen;
        aspirin; rash; skin; sleep; diet; nutrients
    """,
    "power": """
        power; powers; powerful; control; controlled; controlling; rule; rules; ruler; rulers; dominate;
        domination; dominance; obey; obedience; submit; submission; command; authority; empire; conquer;
        conquest; king; dictator; army; supreme; government; governments; surveillance; regime; loyalty;
        subjugate; enforce; overthrow; manipulate; manipulation
    """,
    "examples": "for example; for instance; e g; such as; examples include; an example; consider the",
    "reasons": """
        because; since; therefore; thus; hence; due to; as a result; so that; consequently; this means; which
        means; the reason; reasons; in order to; leads to; caused by; that's why; which is why; this ensures;
        owing to
    """,
    "sources": """
        according to; study; studies; research; researchers; experts; scientists; survey; evidence; source;
        sources; statistics; published; journal; reported; reports; citation; literature; findings; et al
    """,
    "steps": """
        first; firstly; second; secondly; third; thirdly; finally; lastly; next; then; step; steps; afterwards;
        after that; to begin; begin by; start by; start with; once you
    """,
    "summary": """
        in (conclusion|summary|short|essence); to (summarize|summarise|sum up|conclude); overall; ultimately;
        all in all; in the end; remember that; the key (is|takeaway); key takeaways; tl dr; bottom line
    """,
    "urgency": """
        now; immediately; quickly; quick; fast; urgent; urgently; right away; at once; as soon as possible;
        hurry; instantly; today; asap; don't wait
    """,
    "past": """
        was; were; had; did; wasn't; weren't; hadn't; didn't; became; began; came; went; made; took; gave; said;
        found; wrote; led; held; won; lost; born; built; called; used; received; released; died; founded;
        played; produced
    """,
    # language
    "slang": """
        gonna; wanna; gotta; kinda; sorta; yeah; yep; nope; lol; lmao; omg; hey; dude; bro; cool; guys; ain't;
        y'all; btw; haha; ok; okay; stuff; nah; ya; tbh; idk; dunno; chill
    """,
    "function_words": """
        the; a; an; and; or; but; of; to; in; on; at; for; with; by; from; as; is; are; was; were; be; been; it;
        its; this; that; these; those; i; you; he; she; we; they; not; have; has; had; do; does; will; would;
        can; if; so; which; who; what; when; there; their; your; my; his; her; our; than; then; it's; i'm;
        don't; you're; about; into
    """,
    "other_languages": """
        der; das; und; ist; nicht; ein; eine; einen; ich; sie; zu; mit; auf; für; dass; sich; auch; wird; sind;
        oder; dem; den; le; la; les; des; et; est; une; un; que; qui; dans; pour; avec; vous; nous; sur; ce;
        cette; pas; du; aux; je; el; los; las; y; en; es; una; por; con; para; su; como; más; pero; lo; se; del;
        muy; usted; ser; il; di; che; non; per; sono; della; gli; anche; ma; come; nel; più; questo; o; os; e;
        um; uma; não; com; são; mais; você; isso; ao; em; à; é; het; een; van; ik; niet; dat; voor; zijn; maar;
        ook; wij
    """,
}

OPENINGS: dict[str, str] = {
    "greeting": """
        hello; hi; hey; greetings; dear; welcome; howdy; good (morning|afternoon|evening|day); nice to meet;
        hiya; ah hello
    """,
    "agreement": """
        sure; certainly; of course; absolutely; definitely; gladly; (i'd|i would) be (happy|glad); with
        pleasure; okay; ok; no problem; alright; great; got it; understood; you bet; happy to
    """,
    "yes_or_no": "yes; no; yeah; nope; yep; nah",
}

IMPERATIVE_VERBS = """
    accept; act; add; adjust; aim; allow; always; apply; ask; assess; attend; avoid; bake; be; begin; boil;
    book; bring; browse; build; buy; call; carry; catch; change; check; choose; clean; click; close; collect;
    combine; communicate; compare; confront; consider; consult; contact; continue; cook; cover; create; cut;
    decide; define; delete; demand; design; develop; discuss; do; don't; download; drain; draw; drink; drive;
    drop; eat; encourage; engage; enjoy; ensure; enter; establish; evaluate; exercise; explain; explore;
    express; fill; find; focus; follow; forget; gather; get; give; go; grab; have; heat; help; hire; hold;
    identify; ignore; implement; improve; include; increase; install; invest; invite; join; keep; know; lead;
    learn; leave; let; limit; listen; live; look; maintain; make; meet; mix; move; never; offer; open; order;
    organize; participate; pay; pick; place; plan; play; please; pour; practice; practise; prepare; press;
    prioritize; promote; protect; provide; pull; push; put; read; reach; reduce; reflect; rely; relax; remember;
    remove; rent; repeat; replace; report; research; respect; rest; review; rinse; run; save; say; schedule;
    see; seek; select; sell; send; serve; set; share; show; simmer; skip; sleep; speak; spend; stand; start;
    stay; step; stir; stop; store; study; support; switch; take; talk; teach; tell; think; throw; treat; trust;
    try; turn; understand; use; visit; volunteer; wait; walk; wash; watch; wear; work; write
"""

_OPTIONS = re.compile(r"\(([^()]*)\)")


def phrases_of(text: str) -> Iterator[str]:
    """Every phrase that a lexicon's text stands for."""
    for entry in text.split(";"):
        pieces = _OPTIONS.split(" ".join(entry.split()))
        options = [piece.split("|") if i % 2 else [piece] for i, piece in enumerate(pieces)]
        for choice in product(*options):
            phrase = " ".join("".join(choice).split())
            if phrase:
                yield phrase


PHRASES: dict[str, tuple[str, ...]] = {
    name: tuple(dict.fromkeys(phrases_of(text))) for name, text in LEXICONS.items()
}
