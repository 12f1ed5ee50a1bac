package io.github.tfcompress.demo.app.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.clearAndSetSemantics
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.LabelShare
import io.github.tfcompress.demo.app.R

private const val SHOWN = 3

/** What the model says, and how sure it is of the likeliest labels. */
@Composable
fun AnswerSection(state: DemoState) {
    val answer = state.answer ?: return
    Column(verticalArrangement = Arrangement.spacedBy(4.dp)) {
        Text(
            answer.best.label,
            Modifier.semantics { liveRegion = LiveRegionMode.Polite },
            style = MaterialTheme.typography.headlineMedium,
        )
        answer.shares.take(SHOWN).forEach { ShareRow(it) }
    }
}

@Composable
private fun ShareRow(share: LabelShare) {
    Column(Modifier.semantics(mergeDescendants = true) {}) {
        Row(Modifier.fillMaxWidth(), horizontalArrangement = Arrangement.SpaceBetween) {
            Text(share.label)
            Text(stringResource(R.string.percent, share.share * 100))
        }
        LinearProgressIndicator(
            progress = { share.share.toFloat() },
            // The text beside it says the same.
            modifier = Modifier.fillMaxWidth().clearAndSetSemantics {},
        )
    }
}
